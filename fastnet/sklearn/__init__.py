"""Estimators for scikit-learn: `FastNetClassifier`, `FastNetRegressor` and the search `FastNetSearchCV`."""

from fastnet.sklearn.classifier import FastNetClassifier
from fastnet.sklearn.regressor import FastNetRegressor
from fastnet.sklearn.search import FastNetSearchCV

__all__ = ["FastNetClassifier", "FastNetRegressor", "FastNetSearchCV"]
