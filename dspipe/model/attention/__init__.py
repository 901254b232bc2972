"""Multi-head latent attention: hidden states → what each token draws from the tokens before it."""
