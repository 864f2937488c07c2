"""Each kernel by its definition, in plain torch, any dtype: readable and slow. The oracle of the tests."""
