"""A source YAML for an API that is not known yet: what its OpenAPI document says, held against a few of its pages."""
