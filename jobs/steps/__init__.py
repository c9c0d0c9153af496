"""The steps that jobs are made of: each joins the packages of lib that one step of the way of the data needs."""
