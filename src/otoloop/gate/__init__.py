"""May a candidate go live? Statistics, verdicts and the report for the approver."""
