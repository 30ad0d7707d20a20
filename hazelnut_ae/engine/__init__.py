"""What a long run and a hostile world need: no lesson, but what stands behind them."""
