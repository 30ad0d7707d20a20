"""A notebook client that fills in the numbers of the text; imported only where nbclient is installed."""

import ast

from nbclient import NotebookClient

from hazelnut_ae.course import prose
from hazelnut_ae.errors import DataError


class ProseClient(NotebookClient):
    """Executes a notebook and fills in the numbers of its text; strict: an expression that fails stops it."""

    strict = False

    async def async_execute_cell(self, cell, cell_index, **options):
        """Executes a code cell; evaluates the expressions of a markdown cell."""
        if "template" in cell.metadata:
            template = cell.metadata["template"]
            cell.metadata["values"] = await self.values(prose.expressions(template))
            cell.source = prose.filled(template, cell.metadata["values"])
        return await super().async_execute_cell(cell, cell_index, **options)

    async def values(self, wanted):
        """Returns {expression: text} as the kernel evaluates them now; raises DataError if one fails and `strict`."""
        code = {expression: f"f'''{{{expression}}}'''" for expression in wanted}
        sent = self.kc.execute("", store_history=False, user_expressions=code, allow_stdin=False)
        reply = await self.async_wait_for_reply(sent)
        found = {}
        for expression, answer in reply["content"]["user_expressions"].items():
            if answer["status"] == "ok":
                found[expression] = ast.literal_eval(answer["data"]["text/plain"])
            elif self.strict:
                raise DataError(f"The text says {{{{ {expression} }}}}: {answer['ename']}, {answer['evalue']}.")
        return found
