"""Integer-only training: NITI's block exponents and ElasticZO-INT8's zeroth order, on NumPy arrays."""

from reference.integer.training.block_exponent import BlockTensor, bit_width, narrow, quantise_input
from reference.integer.training.convolution import convolution, convolution_error, convolution_gradient
from reference.integer.training.linear import Perceptron, linear, perceptron
from reference.integer.training.loss import loss_gradient, loss_sign, rough_loss_sign
from reference.integer.training.perturbation import direction, perturb, zeroth_order_update
from reference.integer.training.random import permutation, random_words
from reference.integer.training.rounding import shift_right
from reference.integer.training.update import Phase, accuracy, digest, train, train_epoch, train_step

__all__ = [
    "BlockTensor",
    "Perceptron",
    "Phase",
    "accuracy",
    "bit_width",
    "convolution",
    "convolution_error",
    "convolution_gradient",
    "digest",
    "direction",
    "linear",
    "loss_gradient",
    "loss_sign",
    "narrow",
    "perceptron",
    "permutation",
    "perturb",
    "quantise_input",
    "random_words",
    "rough_loss_sign",
    "shift_right",
    "train",
    "train_epoch",
    "train_step",
    "zeroth_order_update",
]
