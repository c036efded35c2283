"""Long runs on real data: python -m recipes.NAME makes data/checkpoints/NAME.* and its card."""
