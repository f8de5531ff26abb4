"""Other people's code: found and given its data (`homework`), audited in a process (`worker`)."""
