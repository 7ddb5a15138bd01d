"""How a judge asks: one module for each thing that it looks at (two answers, one, or k), and what they share."""
