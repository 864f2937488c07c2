"""The study of many photographs without order."""
