"""The 108 sentences in the embedding spaces of language and vision-language models."""
