"""Great Expectations: suites, validation of exact versions, and the site with the data docs."""
