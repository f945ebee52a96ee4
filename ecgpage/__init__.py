"""Paper ECGs to digital ones: see ``ecgpage.pipeline`` for the order of the stages."""
