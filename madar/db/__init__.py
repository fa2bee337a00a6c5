"""PostgreSQL: pool, transactions, and a typed function for every query in sql/queries."""
