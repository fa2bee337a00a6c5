"""The page at /studio, as people meet it: in a real browser, against the running product."""
