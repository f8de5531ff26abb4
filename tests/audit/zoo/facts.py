"""What explanations have in common: groups of words of which at least one must be said."""

TWICE = ("2 times", "2x", "twice", "two times", "factor 2", "factor of 2", "doubled", "times 2")
HALF = (
    "0.5 times", "0.5x", "half", "1/2", "factor 0.5", "factor of 0.5", "halved", "divided by 2",
)  # fmt: skip
SIGN = ("sign", "-1 times", "negative", "negated", "opposite", "minus")
MASK = ("mask", "masked", "masks")
TRANSPOSE = ("transpose", "transposed", ".T")
MEAN = ("mean", "average", "np.mean")
SUM = ("sum", "np.sum", "summed")
SHAPE = ("shape", "shapes")
AXIS = ("axis", "axes", "shape")
ABSENT = (
    "missing", "not returned", "not in", "0 times", "lacks", "left out", "absent", "no gradient",
    "at all",
)  # fmt: skip
#: The sum over samples is to be divided by their number.
DIVIDED = (
    "divided", "divide", "division", "divides", "/ N", "/ n", "/ m", "1/N", "mean", "6 times",
)  # fmt: skip
COUNT = ("N", "num_examples", "num_train", "m", "len(rows)", "x.shape[0]", "6", "1/6")
ONE_HOT = ("one-hot", "onehot", "one hot", "label", "labels", "-= 1", "subtract*", "y", "index*")
OVERWRITTEN = (
    "overwrit*", "overwrote", "+=", "accumulat*", "replac*", "added", "lost", "only the last",
    "not count it",
)  # fmt: skip
PENALTY = ("reg", "regulari*", "penalty", "l2")
