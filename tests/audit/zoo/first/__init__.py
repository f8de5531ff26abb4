"""The half of the zoo which the audit was made with: its nets, their faults, sound variants."""
