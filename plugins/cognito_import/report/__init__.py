"""From outcomes to the administrator's mail, and how a run ends."""
