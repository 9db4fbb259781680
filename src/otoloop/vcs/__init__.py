"""The only caller of the git and dvc commands; data is pushed and verified before the commit that names it."""

from otoloop.vcs.repo import Repo, create

__all__ = ["Repo", "create"]
