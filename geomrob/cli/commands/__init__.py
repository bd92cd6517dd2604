"""The commands of geomrob, one file each: options in, one analysis, an `Answer` out."""
