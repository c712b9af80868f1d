"""The calls to Cognito: paced, resumable, exact about every outcome."""
