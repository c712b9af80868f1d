"""Bulk import of users into Amazon Cognito: paced, exact about every outcome, resumable.

Nothing in this package knows Airflow; it takes boto3 clients, a :class:`~cognito_import.settings.Settings` and
plain values, so that an Airflow task, a Lambda function and a test run the same code.
"""
