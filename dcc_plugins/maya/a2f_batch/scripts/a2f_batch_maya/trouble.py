"""What went wrong, as a person is told it."""


class Trouble(Exception):
    """Something that the artist can put right: `problem` says what, `remedy` what to do now."""

    def __init__(self, problem, remedy):
        super().__init__(problem + "\n" + remedy)
        self.problem, self.remedy = problem, remedy
