"""Checks of nbgrader's metadata, without a check of the schema itself for every cell.

nbgrader calls ``jsonschema.validate`` for each cell, which validates the schema that it is given
first: ten times the work of the cell.
"""

from typing import Any

import jsonschema
from nbgrader.nbgraderformat import common

_validators: dict[int, tuple[dict[str, Any], Any]] = {}
"""By the identity of a schema: it and its validator. nbgrader keeps one for each version."""


class _JsonSchema:
    """Stands for the module ``jsonschema`` in nbgrader's validator."""

    @staticmethod
    def validate(instance: Any, schema: dict[str, Any]) -> None:
        """Validate as ``jsonschema.validate`` does.

        Raises:
            jsonschema.ValidationError: the instance is not of the schema.
        """
        if id(schema) not in _validators:
            kind = jsonschema.validators.validator_for(schema)
            kind.check_schema(schema)
            _validators[id(schema)] = schema, kind(schema)
        _schema, validator = _validators[id(schema)]
        error = jsonschema.exceptions.best_match(validator.iter_errors(instance))
        if error is not None:
            raise error


def check_schemas_once() -> None:
    """Have nbgrader check each schema once in the life of this process."""
    common.jsonschema = _JsonSchema
