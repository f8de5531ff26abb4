"""The half of the zoo by someone who had not seen the first, and knew nothing of the audit."""
