"""Digits learnt with integers only: NITI, ElasticZO-INT8 and both in one network."""

from analysis.integer_training.digits import Digits, digits
from analysis.integer_training.recipes import RECIPES, Recipe, recipe
from analysis.integer_training.run import Outcome, run

__all__ = ["RECIPES", "Digits", "Outcome", "Recipe", "digits", "recipe", "run"]
