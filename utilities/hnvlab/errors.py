# SPDX-License-Identifier: Apache-2.0
"""The one kind of error that reaches the user: a sentence."""


class LabError(Exception):
    """Something the user can understand; the text is all there is to say."""
