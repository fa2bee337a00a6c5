"""What `madar doctor` looks at: one module for each thing that may be broken."""
