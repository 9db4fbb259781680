"""Watch what is served: complaints and a random tenth of answers go to the reviewers, and numbers tell how it goes."""
