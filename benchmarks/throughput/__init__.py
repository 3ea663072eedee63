"""How fast is each job, beside the naive way and the hardware's limit? A module a job."""
