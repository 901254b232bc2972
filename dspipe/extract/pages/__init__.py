"""Pages: the bytes of a web page become its title and text."""
