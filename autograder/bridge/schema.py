"""Checks of nbgrader's metadata, without a check of the schema itself for every cell.

nbgrader calls ``jsonschema.validate`` for each cell, which validates the schema that it is given
first: ten times the work of the cell.
"""

from typing import Any, Final

import jsonschema
from nbgrader import nbgraderformat
from nbgrader.nbgraderformat import MetadataValidator, ValidationError, common

SCHEMA_VERSION: Final[int] = nbgraderformat.SCHEMA_VERSION
"""The version of the metadata that nbgrader takes today."""

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


def metadata_problem(cell: Any) -> str:
    """Why nbgrader refuses a cell whose metadata are of its schema today; empty if it does not."""
    try:
        MetadataValidator().validate_cell(cell)
    except ValidationError as error:
        return str(error.message)
    return ""
