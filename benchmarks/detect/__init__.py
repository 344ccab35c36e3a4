"""False alarms and delay of drift detection, ours and others', measured in one go (`make bench-detect`)."""
