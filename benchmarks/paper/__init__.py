"""Reproductions of the experiments of Mao et al. (LSGAN); one module per experiment."""
