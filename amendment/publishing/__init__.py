"""A finished run on its way to others: what is published, how it is described, what is looked for before it leaves."""
