"""Dashboards and alerts, and what they are made of."""
