"""From boards to extrinsics: closed-form start, residuals, least squares with covariance, choice of what to estimate."""
