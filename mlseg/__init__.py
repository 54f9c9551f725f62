"""mlseg trains medical segmentation networks and tells how far their confidence can be trusted."""

__version__ = "0.1.0"
