"""Mathematics: formulas in a page, in whatever form, become LaTeX."""
