"""Privacy signals: consent strings (TCF, GPP) decoded, and what they and the other signals of a request allow."""
