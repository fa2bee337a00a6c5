"""The stage of the fault trials: processes to kill, and proxies that hold what passes."""
