"""What a bare machine needs to run the whole product: PostgreSQL, stand-ins, supervision."""
