"""Short programs to run and to read, each about one thing; case_study.py is the main one."""
