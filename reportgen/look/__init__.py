"""What everything that is drawn looks like: themes, styles, fonts."""
