"""What an operator should change in this database."""

from asynctasq.driver_api import Finding
from asynctasq_postgres.database import Database


async def diagnose(database: Database) -> list[Finding]:
    """Look at the settings and the sessions that make a queue slow or forgetful."""
    return []
