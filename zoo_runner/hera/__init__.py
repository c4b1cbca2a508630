"""A toolkit for people who run Hera workflows: their configuration, and running scripts and workflows with it."""
