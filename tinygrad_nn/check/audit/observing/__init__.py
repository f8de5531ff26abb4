"""A run of the user's own code, recorded, and executed again at other points.

    observe        runs it once, with tensors in place of the float arrays
    shadow         copies of its functions, closures and objects: nothing of the user's changes
    constructors   arrays that the code makes for itself are followed, too
    calls          in which call of which function each step was executed
    replay, draws  the recording executed again in float64, near the user's point and far

Nothing here knows what a gradient should be.
"""
