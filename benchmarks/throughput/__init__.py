"""Speed of each job beside a plain implementation; one module per job."""
