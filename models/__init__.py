"""Networks of the field, one short file each: the declared one and, beside it, the analytic one."""
