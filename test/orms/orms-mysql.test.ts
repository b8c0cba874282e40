// The common ORMs on lent connections to PostgreSQL and MySQL.
import { useSystem } from '../e2e/system.ts';
import { useLibraries } from './libraries.ts';
import { ormFacts } from './orm-facts.ts';

useLibraries();
ormFacts(useSystem('mysql'));
