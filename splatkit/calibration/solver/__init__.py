"""From boards to extrinsics: closed-form start, least squares with covariance."""
