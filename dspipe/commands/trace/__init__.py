"""`dspipe trace`: a document → its way to the rows it is trained in, and a row or a step → its documents."""
