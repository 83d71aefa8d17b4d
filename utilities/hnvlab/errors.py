# SPDX-License-Identifier: Apache-2.0
"""The one kind of error that reaches the user: a sentence."""


class LabError(Exception):
    """Something the user can understand; the text is all there is to say.
    'status' is what a program that ends with it should exit with."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status
