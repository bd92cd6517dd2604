"""Analyses: functions from models and images to results. They start attacks and draw nothing."""
